"""What a site's network and devices really do: measuring, sorting what was measured, writing it down."""
