"""The machines of core on asyncio and real sockets."""
