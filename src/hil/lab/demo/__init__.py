"""The demonstration, `hil lab demo`: a story told on a real lab, whose every claim is found out and not asserted."""
