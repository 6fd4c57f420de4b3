"""Questions put to the program whose answers stand in docs/."""
