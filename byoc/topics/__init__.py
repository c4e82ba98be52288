"""Creating and checking the topics of the catalogue."""
