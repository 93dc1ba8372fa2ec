"""What is wrong with a set-up, in order and in plain words, with a remedy for each."""

from ibkeel.monitor.doctor.examine import Patient, Setup, examine
from ibkeel.monitor.doctor.findings import Diagnosis, Finding, Verdict
from ibkeel.monitor.doctor.machine import Machine

__all__ = ["Diagnosis", "Finding", "Machine", "Patient", "Setup", "Verdict", "examine"]
