"""What is timed: steps beside PyTorch's, beside other programs, and as they grow."""
