"""What predicting needs of the machine: device, weights, memory."""
