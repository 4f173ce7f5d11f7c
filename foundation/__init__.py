"""What every room stands on: errors, texts in two languages, logs, the clock, files, addresses."""
