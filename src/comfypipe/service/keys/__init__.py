"""API keys: who sends a request, and what that key may do."""

from comfypipe.service.keys.authenticate import Gate as Gate
from comfypipe.service.keys.authenticate import allowed as allowed
from comfypipe.service.keys.authenticate import client_address as client_address
from comfypipe.service.keys.authenticate import identify as identify
from comfypipe.service.keys.authenticate import principal as principal
