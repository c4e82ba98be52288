"""The content of a Message in our own shape, and the plain text that every channel can show."""
