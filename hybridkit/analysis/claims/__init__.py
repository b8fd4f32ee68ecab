"""A ledger of claims: each a text with a check in a small grammar, asked of a study's measurements or of tables."""

from hybridkit.analysis.claims.file import CLAIMS, Claim, check_claims, open_claims

__all__ = ["CLAIMS", "Claim", "check_claims", "open_claims"]
