"""What the tiny language model has read: our own words about ships, harbours and sea trials.

A blank line ends a document; the model learns to end its answer where a document ended.
"""

from __future__ import annotations

TEXT = """\
The sea was calm and the ship was ready. The crew was ready, and the harbour was quiet in the morning light.
The pilot came on board at six, and the ship left the quay without a sound.

The harbour master keeps a book.
In the book he writes the name of the ship, the hour of the tide and the state of the sea.
The book is old, but the harbour master trusts the book more than he trusts the weather.

A sea trial is a promise kept in front of witnesses.
The builder says what the ship can do, and the sea asks the ship to do it.
If the ship can do it, the builder signs the book. If the ship can not do it, the ship goes back to the yard.

The first trial is the trial of speed.
The ship runs a measured mile with the wind and a measured mile against the wind.
The crew reads the clock, the engineer reads the gauge, and the captain reads the sea.
The speed of the ship is the mean of the two.

The second trial is the trial of turning.
The helm goes hard over and the ship turns a full circle on the calm sea.
The circle is drawn on the chart, and the chart goes into the book.

The third trial is the trial of stopping.
The engine goes full astern, and the ship stops where the sea lets the ship stop.
No ship stops at once, said the captain. A good ship stops where the crew wants her to.

At noon the wind came up from the west.
The waves came up with the wind, and the ship began to roll and to pitch, to roll and to pitch.
The cook held the pot, the boy held the rail, and the captain held the course.

How long does a trial last? It lasts as long as the sea has questions.
A short trial asks a few questions, and a long trial asks them again. What does the crew do in the trial?
The crew does what the crew will do in service, and somebody writes it down.

The lighthouse stands on the rock at the mouth of the harbour.
The light turns all night, one long flash and two short flashes.
A ship that sees one long flash and two short flashes knows the rock, and a ship that knows the rock comes home.

The engineer listens to the engine as a doctor listens to a heart.
The engine turns slowly in the harbour and quickly on the sea.
If the sound is good, the engineer says nothing.
If the sound is not good, the engineer says one word, and the engine stops.

The load is the second half of every trial.
A ship that sails well when it is empty may sail badly when it is full.
So the crew fills the hold with stones, sails the same mile again, and compares the two numbers in the book.

In the evening the wind went down and the sea was calm again. The ship came back to the harbour with the tide.
The builder, the captain and the engineer read the book together, line by line, and where a line was wrong they said so.

The ship was ready for service, said the harbour master, and he closed the book.
The crew went ashore, the cook washed the pot, and the boy looked at the sea until the light began to turn.
"""
