"""A small partner: a channel that receives deliveries and a router that answers routing requests."""
