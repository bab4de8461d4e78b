"""What a person runs at a terminal. Nothing of it is packed for Lambda; what runs there belongs in chalicelib/."""
