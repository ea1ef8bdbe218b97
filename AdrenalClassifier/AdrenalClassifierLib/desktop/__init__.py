"""The panels of the 3D Slicer module: the only room that knows qt and ctk. Panels render the session and call its methods."""
