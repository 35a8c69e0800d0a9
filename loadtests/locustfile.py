"""`locust -f loadtests/locustfile.py --host URL`: the load profiles under locust's own command line and web page."""

from loadtests.users import ScheduledUser  # noqa: F401 - locust takes the users that it finds here
