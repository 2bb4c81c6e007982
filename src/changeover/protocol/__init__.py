"""Messages between nodes as bytes: frames in, frames out."""
