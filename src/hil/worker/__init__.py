"""The hands of HIL: lanes that make switches match what was asked, audit them, and bring releases to their end."""
