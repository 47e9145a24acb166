import type { Task as TaskAnswer } from "@ents-backend/schemas/task";
import type { Task } from "../store/tasks.ts";

/** A task as the API answers it, and tells it to who listens. */
export function toAnswer(task: Task): TaskAnswer {
  return {
    id: task.id,
    kind: task.kind,
    params: task.params,
    state: task.state,
    progress: task.progress,
    doing: task.doing,
    result: task.result,
    file: toFile(task),
    error:
      task.error_code === null ? null : { code: task.error_code, message: task.error ?? "failed" },
    attempts: task.attempts,
    created_at: task.created_at.toISOString(),
    started_at: task.started_at?.toISOString() ?? null,
    finished_at: task.finished_at?.toISOString() ?? null,
    expires_at: task.expires_at?.toISOString() ?? null,
  };
}

function toFile({ id, file_name, media_type, size, sha256 }: Task): TaskAnswer["file"] {
  if (file_name === null || media_type === null || size === null || sha256 === null) return null;
  const url = `/api/tasks/${id}/result`;
  return { name: file_name, media_type, size, sha256: sha256.toString("hex"), url };
}
