"""Everything about one verification, gathered, in words, as JSON, as one HTML file and as CSV. It loads no torch and draws no screen."""

from core.evidence import Comparison, Ladder
from core.report.gather import report, reports
from core.report.parts import Report, to_json
from core.standings import Standing
from core.statistics.ladder import Curve as Scaling
from core.statistics.ladder import RungCorrelation

__all__ = ["Comparison", "Ladder", "Report", "RungCorrelation", "Scaling", "Standing", "report", "reports", "to_json"]
