"""What arrived: evidence read from the topics and the partner, and the verdict on it."""
