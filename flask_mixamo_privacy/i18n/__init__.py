"""Languages: catalogues of 30 languages besides English, and one translator for each.

Imports nothing of policies, requests or Flask. Input: a language code, and a sentence in English. Output: the sentence in
that language, or in English if the catalogue lacks it. Also formats dates, numbers and lists.
"""
