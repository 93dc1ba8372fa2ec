"""What is wrong with a set-up, in order and in plain words, with a remedy for each."""

from ibkeel.monitor.doctor.examine import Machine, Patient, Setup, examine
from ibkeel.monitor.doctor.looks import Diagnosis, Finding, Verdict

__all__ = ["Diagnosis", "Finding", "Machine", "Patient", "Setup", "Verdict", "examine"]
