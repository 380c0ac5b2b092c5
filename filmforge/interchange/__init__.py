"""Files an editor opens: the cut as OTIO, OTIOZ, EDL and FCPXML, and an edited one read back."""
