"""The files of tests that `make test-fast` or `make test` leave out.

Add a file here once `pytest --durations=0` shows seconds for it, or half a minute.
"""

#: `make test-fast` leaves these out, because each takes seconds of a core.
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

#: `make test-thorough` runs these: crawls of whole sites, and what holds for each page, language, size or order of events.
THOROUGH = frozenset(
    {
        "audit/test_audit_command.py",
        "browser/test_audit_bad_site.py",
        "browser/test_audit_example.py",
        "browser/test_audit_recording.py",
        "browser/test_banner_layouts.py",
        "browser/test_browser_reports.py",
        "browser/test_every_page.py",
        "browser/test_site_styles.py",
        "browser/test_swapped_bodies.py",
        "browser/test_theming.py",
        "browser/test_whole_words.py",
        "rights/test_rights_machine.py",
        "server/test_event_store_model.py",
        "server/test_torture.py",
        "test_testing_plugin.py",
        "test_tutorial.py",
    }
)
