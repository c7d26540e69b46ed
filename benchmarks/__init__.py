"""What the extension costs, beside the budgets of its design: ``python -m benchmarks``, or ``python -m benchmarks page``."""
