"""Switch platforms, one folder each: `spec` what it is, `render` what is sent, `session` for workers only."""
