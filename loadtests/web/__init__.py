"""The web page of a load run, beside locust's own: its form, its live figures, its login, its report."""
