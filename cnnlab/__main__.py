"""`python -m cnnlab`, the same as the command `cnnlab`."""

from cnnlab.app.cli import main

main()
