"""Mail that leaves and mail that comes in: who may get which, how it is stopped, and what a mail from outside asks for."""
