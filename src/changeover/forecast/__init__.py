"""Every changeover as plain arithmetic, stated independently of the machines."""
