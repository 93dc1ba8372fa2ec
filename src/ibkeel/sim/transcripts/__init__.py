"""What was said between clients and a Gateway: recorded, hidden, read and compared."""

from ibkeel.sim.transcripts.exchanges import Comparison, Difference, Exchange, compared, exchanges
from ibkeel.sim.transcripts.playback import Playback, played
from ibkeel.sim.transcripts.proxy import RecordingProxy
from ibkeel.sim.transcripts.redaction import Redactor
from ibkeel.sim.transcripts.scribe import Recorder, Scribe, Transcriber, TranscriptFile
from ibkeel.sim.transcripts.values import Entry, Form, Header, Transcript

__all__ = [
    "Comparison",
    "Difference",
    "Entry",
    "Exchange",
    "Form",
    "Header",
    "Playback",
    "Recorder",
    "RecordingProxy",
    "Redactor",
    "Scribe",
    "Transcriber",
    "Transcript",
    "TranscriptFile",
    "compared",
    "exchanges",
    "played",
]
