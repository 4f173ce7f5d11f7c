"""The plan that is measured by: let through, on trial, kept."""
