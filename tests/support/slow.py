"""The files of tests that `make test-fast` leaves out, because each takes seconds of a core.

Add a file here once `pytest --durations=0` shows seconds for it.
"""

SLOW = frozenset(
    {
        "cli/test_loading_hosts.py",
        "cli/test_move.py",
        "cli/test_terminal_reports.py",
        "consent/test_reach.py",
        "ledger/test_chain.py",
        "mail/test_double_opt_in.py",
        "mail/test_headers_on_the_wire.py",
        "mail/test_inbox.py",
        "mail/test_unsubscribe.py",
        "policy/test_document.py",
        "reports/test_dashboard.py",
        "reports/test_no_suppression.py",
        "reports/test_open_days.py",
        "reports/test_publisher.py",
        "reports/test_report_attack.py",
        "reports/test_report_pages.py",
        "reports/test_reports_updated_by_loader.py",
        "reports/test_sql_counts.py",
        "rights/test_due_dates.py",
        "rights/test_link_limit.py",
        "rights/test_requests.py",
        "storage/test_spelling.py",
        "test_journeys.py",
        "test_layout.py",
        "test_prose.py",
        "test_shop.py",
        "test_windows.py",
        "tracking/test_watermarks.py",
        "web/test_base_url.py",
        "web/test_fuzz.py",
        "web/test_planted_cookies.py",
        "web/test_several_apps.py",
        "web/test_view_marks.py",
    }
)
