from databases import database, postgres_server  # noqa: F401
from llm_setting import serve  # noqa: F401
