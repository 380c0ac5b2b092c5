"""What training a LoRA is made of: the pictures, their captions, and the steps."""
