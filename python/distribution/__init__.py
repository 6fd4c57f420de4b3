"""How the wheel is made, and tried in bare trees of Debian; see scripts/wheel and scripts/check-wheel."""
