"""Device protocols, sans-IO."""
