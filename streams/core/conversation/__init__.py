"""What the records of one conversation change: events by entry type, receipts, commands, participants."""
