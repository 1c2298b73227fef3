"""`python -m core …`"""

import sys

from core.cli import main
from core.machine import wait_politely

wait_politely()
sys.exit(main(sys.argv[1:]))
