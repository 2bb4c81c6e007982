"""From a site's files to what is wrong in them, what affects what, and which parameters reach a target."""
