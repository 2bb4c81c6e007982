"""Files to a Plant: citect.ini, plant.toml, tags.csv, and every fault in them as one diagnostic."""
