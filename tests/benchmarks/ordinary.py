"""The same routes written the ordinary way, to compare with: FastAPI and SQLModel as their documentation has it.

An async session on psycopg, role and claims set at the beginning of each transaction, response models, and the
signature of the token checked in each request. The tables, the schemas and the wire format are the product's; of
middleware there is none at all.
"""

import json
import os
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import jwt
from fastapi import Depends, FastAPI, HTTPException, Query, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

import api_main.auth.models  # noqa: F401  the accounts that tasks refer to
from api_main.auth.signing import SigningKeys
from api_main.core.envelope import Meta, Page, Success
from api_main.core.pagination import Cursor
from api_main.core.settings import sqlalchemy_url
from api_main.tasks.models import Task
from api_main.tasks.schemas import TaskRead, TaskWrite

PUBLIC_KEY = jwt.PyJWK(SigningKeys.parse(os.environ["JWT_SIGNING_KEYS"]).jwks["keys"][0])
ISSUER = f"{os.environ['PUBLIC_URL']}/auth/v1"
IDENTIFY = text("select set_config('role', :role, true), set_config('request.jwt.claims', :claims, true)")

app = FastAPI()
bearer = HTTPBearer()
engine = create_async_engine(sqlalchemy_url(os.environ["DATABASE_URL"]), pool_size=10, max_overflow=0)
new_session = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)


async def get_claims(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> dict[str, Any]:
    try:
        return jwt.decode(
            credentials.credentials, PUBLIC_KEY, algorithms=["ES256"], audience="authenticated", issuer=ISSUER
        )
    except jwt.PyJWTError as error:
        raise HTTPException(401) from error


async def get_session(claims: Annotated[dict[str, Any], Depends(get_claims)]) -> AsyncIterator[AsyncSession]:
    async with new_session() as session, session.begin():
        await session.execute(IDENTIFY, {"role": claims["role"], "claims": json.dumps(claims)})
        yield session


CurrentSession = Annotated[AsyncSession, Depends(get_session, scope="function")]


@app.get("/api/v1/tasks")
async def list_tasks(session: CurrentSession, limit: Annotated[int, Query(ge=1, le=100)] = 50) -> Page[TaskRead]:
    newest_first = select(Task).order_by(col(Task.created_at).desc(), col(Task.id).desc())
    tasks = (await session.exec(newest_first.limit(limit + 1))).all()
    cursor = None
    if len(tasks) > limit:
        last = tasks[limit - 1]
        cursor = Cursor.write("-created", str(last.created_at), str(last.id))
    data = [TaskRead.model_validate(task) for task in tasks[:limit]]
    return Page(data=data, meta=Meta(limit=limit, next_cursor=cursor))


@app.get("/api/v1/tasks/{task_id}")
async def get_task(task_id: UUID, session: CurrentSession, response: Response) -> Success[TaskRead]:
    task = await session.get(Task, task_id)
    if task is None:
        raise HTTPException(404)
    response.headers["ETag"] = f'"{task.version}"'
    return Success(data=TaskRead.model_validate(task))


@app.post("/api/v1/tasks", status_code=201)
async def create_task(form: TaskWrite, session: CurrentSession, response: Response) -> Success[TaskRead]:
    task = Task(**form.model_dump())
    session.add(task)
    await session.flush()
    response.headers["Location"] = app.url_path_for("get_task", task_id=task.id)
    response.headers["ETag"] = f'"{task.version}"'
    return Success(data=TaskRead.model_validate(task))
