"""Languages: thirty catalogues, and the translator of each.

Knows nothing of policies, requests or Flask. In: a language code, and a sentence in English. Out: the sentence in that
language, or in English if the catalogue lacks it; dates, numbers and lists as the language writes them.
"""
