"""What the pages share. Nothing here loads torch."""
