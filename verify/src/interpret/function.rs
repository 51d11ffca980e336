//! Calls of functions, those of the library by what they compute.

use naga::{Expression, Function, Handle};

use super::{
    Domain, Run,
    column::{Column, Shape},
    library,
    machine::{Frame, Machine},
    unsupported,
};

impl<'m, D: Domain> Machine<'m, D> {
    pub fn call(
        &mut self,
        frame: &mut Frame<'_, 'm, D::Value>,
        function: Handle<Function>,
        arguments: &[Handle<Expression>],
        result: Option<Handle<Expression>>,
        lanes: &[u32],
    ) -> Run<()> {
        let called = &self.program.module.functions[function];
        if let (Some(known), [argument], Some(result)) =
            (library::recognise(called), arguments, result)
        {
            let one = Shape {
                components: 1,
                ..frame.code.shape(result)
            };
            let values = frame.columns[argument.index()].floats();
            let values = self.one(known, values, Column::Empty, one, lanes);
            frame.columns[result.index()] = Column::Floats(values);
            return Ok(());
        }
        let mut passed = Vec::new();
        for argument in arguments {
            match &frame.columns[argument.index()] {
                Column::Pointers(pointers)
                    if matches!(pointers.variable, super::column::Variable::Local(_)) =>
                {
                    return unsupported("pointers to variables as arguments of functions");
                }
                column => passed.push(column.clone()),
            }
        }
        let code = self.program.function(function);
        let mut inner = self.frame(&code, passed)?;
        let ended = self.block(&mut inner, &code.function.body, lanes.to_vec())?;
        self.depth -= 1;
        drop(ended);
        if let Some(result) = result {
            frame.columns[result.index()] = inner.result;
        }
        Ok(())
    }

    pub fn uniform_load(
        &mut self,
        frame: &mut Frame<'_, 'm, D::Value>,
        pointer: Handle<Expression>,
        result: Handle<Expression>,
        lanes: &[u32],
    ) -> Run<()> {
        let (shape, _) = self.pointee(frame, pointer)?;
        let column = self.load(frame, pointer, shape, lanes, Column::Empty)?;
        frame.columns[result.index()] = column;
        Ok(())
    }
}
