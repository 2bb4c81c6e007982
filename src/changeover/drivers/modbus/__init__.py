"""Modbus TCP, sans-IO: addresses to blocks, blocks to frames, frames to values."""
