"""A stand-in on a real socket and a way to run checks against it: what the laws about detection share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from conformance.api import Api, Settings, Shared
from conformance.budget import Budget
from conformance.catalogue import checks_of
from conformance.check import Check, Mutant
from conformance.endpoint import Endpoint, Target
from conformance.pace import Pacer
from conformance.runner import Runner, judged, seed_of
from reference_server.serve import serving, standin_app
from reports.model import Outcome
from schemas.contracts import get

KEY = "laws-of-the-house-key"
UNLIMITED = 10**9
