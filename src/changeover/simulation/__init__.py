"""A virtual world: the machines of core on a virtual clock and network."""
