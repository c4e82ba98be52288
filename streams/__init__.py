"""The processor: Faust agents with tables that turn mirrored events into state, deliveries and routing."""
