"""The scenarios that ship with the product: a scenario file and a site file each."""
