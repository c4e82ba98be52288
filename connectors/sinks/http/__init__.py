"""What every sink over HTTP needs: attempts with waits between them, and what a status says about repeating."""
