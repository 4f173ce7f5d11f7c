"""What a campaign found: assembled, rendered as a page, kept."""
