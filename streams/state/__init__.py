"""The processor's state: raw bytes in Faust's stores, decoded values beside them, one changelog record per change."""
